# Completes `lam` in bash (4.4 or newer). To have it always:
# lam completion bash > ~/.lam.bash && echo '. ~/.lam.bash' >> ~/.bashrc
_lam_completion() {
    local line=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]} type value
    local word=${line##*[[:space:]]}
    [[ $current == [=:] ]] && current=       # bash cuts words at these and wants what comes after them
    local before=${word%"$current"}
    [[ -z $word ]] && line+="''"
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("${value#"$before"}")
                [[ $value == *[=.,] || $value == *=\[*[^]] ]] && compopt -o nospace ;;
        esac
    done < <(_LAM_COMPLETE=bash_complete COMP_WORDS=$line COMP_CWORD=-1 "$1" completion bash 2>/dev/null)
}
complete -o nosort -F _lam_completion lam
