# bash completion for glassine: source <(glassine completion bash)
_glassine() {
	local program=${COMP_WORDS[0]/#\~/$HOME} line also="" open=0
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:*) also=${line#:} ;;
		*)
			line=${line%%$'\t'*}
			COMPREPLY+=("$line")
			case $line in *= | */) open=1 ;; esac
			;;
		esac
	done < <("$program" __complete --shell=bash --breaks="$COMP_WORDBREAKS" -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
	if [ "$open" = 1 ]; then compopt -o nospace 2>/dev/null; fi
	local word=${COMP_WORDS[COMP_CWORD]}
	case $also in
	files | dirs)
		local how=-f
		if [ "$also" = dirs ]; then how=-d; fi
		if [ "$word" = "=" ]; then word=""; fi
		while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$how" -- "$word")
		compopt -o filenames 2>/dev/null
		;;
	esac
}
complete -F _glassine glassine
