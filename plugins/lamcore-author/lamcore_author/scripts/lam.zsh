# Completes `lam` in zsh. To have it always:
# lam completion zsh > ~/.lam.zsh && echo '. ~/.lam.zsh' >> ~/.zshrc
_lam_completion() {
    local type value description
    local -a answer described spaced glued
    answer=("${(@f)$(_LAM_COMPLETE=zsh_complete COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \
        ${words[1]} completion zsh 2>/dev/null)}")
    for type value description in $answer; do
        case $type in
            dir) _path_files -/ ;;
            file) compset -P '*='; _path_files ;;
            plain)
                if [[ $description != _ ]]; then described+=("$value:$description")
                elif [[ $value == *[=.,] || $value == *=\[*[^]] ]]; then glued+=("$value")
                else spaced+=("$value"); fi ;;
        esac
    done
    (( $#described )) && _describe -V lam described -U
    (( $#glued )) && compadd -U -S '' -V lam -a glued
    (( $#spaced )) && compadd -U -V lam -a spaced
}
(( $+functions[compdef] )) || { autoload -U compinit; compinit }
compdef _lam_completion lam
