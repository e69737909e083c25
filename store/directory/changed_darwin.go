package directory

import "syscall"

// changed is when anything of a file was changed last, in nanoseconds since 1970.
func changed(st *syscall.Stat_t) int64 { return st.Ctimespec.Nano() }
