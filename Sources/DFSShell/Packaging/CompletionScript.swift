/// The files that teach other shells how words behind `dfsh` go on; they ask dfsh itself.
enum CompletionScript: String, CaseIterable {
    case bash, zsh, fish

    /// The file's text.
    var text: String {
        switch self {
        case .bash: CompletionScript.forBash
        case .zsh: CompletionScript.forZsh
        case .fish: CompletionScript.forFish
        }
    }

    private static let forBash = #"""
        # bash completion of dfsh, as "dfsh completion bash" writes it.
        # Where dfsh knows nothing, as of names on this machine, bash completes files.
        _dfsh() {
            local word rest=${COMP_LINE#"${COMP_WORDS[0]}"} glued=""
            local -a typed=() found=()
            # bash cuts words at colons too: what no space stands before belongs to the word before.
            for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
                if [[ ${#typed[@]} -gt 0 && $rest == "$word"* && -n $word ]]; then
                    typed[-1]+=$word
                else
                    typed+=("$word")
                fi
                rest=${rest#"${rest%%[![:space:]]*}"}
                rest=${rest#"$word"}
            done
            typed=("${typed[@]//[\\\"\']/}")
            mapfile -t found < <("$1" completion words -- "${typed[@]}" 2>/dev/null)
            # Behind such a colon only the rest of the word is replaced.
            if [[ ${COMP_WORDS[COMP_CWORD]} != [\"\']* ]]; then
                word=${typed[-1]}
                if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then glued=${word%"${word##*:}"}; fi
            fi
            COMPREPLY=()
            for word in "${found[@]}"; do
                case ${COMP_WORDS[COMP_CWORD]:0:1}:$word in
                    \':*) word=${word//\'/\'\\\'\'} ;;
                    # There is no way to write it there that bash reads as what it is.
                    \":*!*) continue ;;
                    \":*) word=$(printf %s "$word" | sed 's/[\\"$`]/\\&/g') ;;
                    *) word=$(printf %q "${word#"$glued"}") ;;
                esac
                COMPREPLY+=("$word")
            done
            if [[ ${#found[@]} -eq 1 && ${found[0]} == */ ]]; then compopt -o nospace; fi
        }
        complete -o bashdefault -o default -F _dfsh dfsh
        """#

    private static let forZsh = #"""
        #compdef dfsh
        # zsh completion of dfsh, as "dfsh completion zsh" writes it.
        _dfsh() {
            local -a found typed
            typed=("${(@Q)words[2,CURRENT]}")
            # What was opened and not closed is no quoted word yet.
            typed[-1]=${typed[-1]#[\'\"]}
            found=("${(@f)$($words[1] completion words -- "${typed[@]}" 2>/dev/null)}")
            found=(${found:#})
            if (( ! $#found )); then _files; return; fi
            compadd -S '' -- ${(M)found:#*/}
            compadd -- ${found:#*/}
        }
        if [[ $funcstack[1] == _dfsh ]]; then _dfsh "$@"; else compdef _dfsh dfsh; fi
        """#

    private static let forFish = #"""
        # fish completion of dfsh, as "dfsh completion fish" writes it.
        function __dfsh_words
            # What was opened and not closed is no quoted word yet.
            set -l typed (commandline -opc) (commandline -ct | string replace -r '^[\'"]' '')
            set -l found ($typed[1] completion words -- $typed[2..-1] 2>/dev/null)
            if test (count $found) -gt 0
                printf '%s\n' $found
            else
                __fish_complete_path (commandline -ct)
            end
        end
        complete -c dfsh -f -a '(__dfsh_words)'
        """#
}
