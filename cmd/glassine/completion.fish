# fish completion for glassine: glassine completion fish >~/.config/fish/completions/glassine.fish
function __glassine_complete
	set -l words (commandline -opc) (commandline -ct)
	for line in ($words[1] __complete -- $words 2>/dev/null)
		switch $line
			case ':files'
				__fish_complete_path (string replace -r '^--[^=]*=' '' -- (commandline -ct))
			case ':dirs'
				__fish_complete_directories (string replace -r '^--[^=]*=' '' -- (commandline -ct))
			case ':'
			case '*'
				echo -- $line
		end
	end
end
complete -c glassine -f -a '(__glassine_complete)'
