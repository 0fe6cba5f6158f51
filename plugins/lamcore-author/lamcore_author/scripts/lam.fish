# Completes `lam` in fish. To have it always:
# lam completion fish > ~/.config/fish/completions/lam.fish
function __lam_completion
    for line in (env _LAM_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) \
            lam completion fish 2>/dev/null)
        set -l found (string split -m 1 , -- $line)
        switch $found[1]
            case dir
                __fish_complete_directories $found[2]
            case file
                set -l key (string match -r '^.*=' -- $found[2])
                for path in (__fish_complete_path (string replace -r '^.*=' '' -- $found[2]))
                    echo "$key$path"
                end
            case plain
                echo $found[2]
        end
    end
end
complete --no-files --command lam --arguments "(__lam_completion)"
