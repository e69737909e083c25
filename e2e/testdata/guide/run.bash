# Runs the blocks of a page; guide_test.go puts them behind this. $GUIDE is the folder of the blocks and of what they print.
ip link set lo up
mapfile -d '' guide_env < <(env -0)
cd "$HOME"

# guide_open NUMBER NAME runs a block in the shell NAME, which is one beside, until it says that it is ready. What ran there is
# interrupted as by Ctrl-C.
guide_open() {
	local pid="guide_pid_$2" i
	if [ -n "${!pid:-}" ]; then
		kill -INT -- "-${!pid}"
		wait "${!pid}" || true
	fi
	set -m # or the block's programs would pass over interrupts
	(cd "$HOME" && exec env -i "${guide_env[@]}" bash -e -o pipefail "$GUIDE/$1.sh" >"$GUIDE/$1.out" 2>"$GUIDE/$1.err" </dev/null) &
	set +m
	printf -v "$pid" %s $!
	for i in $(seq 1200); do
		if grep -q -e '^Ready\.$' -e '^Watching' "$GUIDE/$1.out" 2>/dev/null; then
			cp "$GUIDE/$1.out" "$GUIDE/$1.ready"
			return 0
		fi
		kill -0 "${!pid}" 2>/dev/null || break
		sleep 0.1
	done
	echo "it did not get ready" >>"$GUIDE/$1.err"
	return 1
}

set -e -o pipefail
