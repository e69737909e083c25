#compdef glassine
# zsh completion for glassine: a file named _glassine in a folder of $fpath, or source <(glassine completion zsh)
_glassine() {
	local line value also=""
	local -a values shown openvalues openshown
	while IFS= read -r line; do
		case $line in
		:*) also=${line#:} ;;
		*)
			value=${line%%$'\t'*}
			line=${line#*$'\t'}
			[[ -n $line ]] && line="$value  -- $line" || line=$value
			case $value in
			*=|*/) openvalues+=("$value") openshown+=("$line") ;;
			*) values+=("$value") shown+=("$line") ;;
			esac
			;;
		esac
	done < <("${(Q)words[1]/#\~/$HOME}" __complete -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)
	local found=1
	(( $#values )) && compadd -l -d shown -a values && found=0
	(( $#openvalues )) && compadd -l -S '' -d openshown -a openvalues && found=0
	case $also in
	files) compset -P '*='; _files && found=0 ;;
	dirs) compset -P '*='; _files -/ && found=0 ;;
	esac
	return found
}
if [[ $funcstack[1] = _glassine ]]; then
	_glassine "$@"
else
	compdef _glassine glassine
fi
