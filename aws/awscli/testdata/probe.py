# Is an aws that tells what a command finds when it begins, as JSON, or a part of it: aws say|random|how|pid STATUS MARKER:MARKER. Strings that have
# a marker are looked for in all that modules reach.
import awscli.clidriver
import awscli.handlers

import gc, json, locale, logging, os, random, resource, signal, sys, threading, time, types, warnings


def standard(s):
    return [s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.newlines, s.isatty(), s.fileno(), s.buffer.raw.mode, s.closed, s.buffer.raw.closefd]


def descriptors(but):
    """Tell of the standard descriptors, and of the others but those that the tests' own process leaves to all that it starts."""
    found, others = [], []
    for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            facts = [os.readlink("/proc/self/fd/%d" % fd), os.get_inheritable(fd), os.get_blocking(fd)]
        except OSError:
            continue  # the one that listed the others
        if fd < 3:
            found.append([fd, facts[0].split(":")[0]] + facts[1:])
        elif facts[0] not in but:
            others.append(facts)
    return found + sorted(others)


def homes():
    import awscli.customizations.assumerole, awscli.customizations.history.constants, botocore.credentials, botocore.loaders

    return [
        awscli.customizations.assumerole.CACHE_DIR,
        awscli.customizations.history.constants.DEFAULT_HISTORY_FILENAME,
        botocore.loaders.Loader.CUSTOMER_DATA_PATH,
        botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR,
    ]


def reached(markers):
    """Return the strings with one of the markers that can be reached from the modules."""
    found, seen = [], set()
    left = [vars(m) for m in sys.modules.values() if isinstance(m, types.ModuleType)]
    own = id(globals())
    while left:
        o = left.pop()
        if id(o) in seen or id(o) == own:
            continue
        seen.add(id(o))
        if isinstance(o, bytes):
            o = o.decode("latin-1")
        if isinstance(o, str):
            found += [o[:200] for m in markers if m in o and o != sys.argv[-1]]
        elif not isinstance(o, types.FrameType):
            left += gc.get_referents(o)
    return found


def facts(markers):
    return {
        "argv": sys.argv,
        "orig_argv": sys.orig_argv[-len(sys.argv) :],
        "path": sys.path,
        "flags": str(sys.flags),
        "executable": sys.executable,
        "cwd": os.getcwd(),
        "environ": dict(os.environ),
        "standard": [standard(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
        "same": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
        "descriptors": descriptors(os.environ.get("LEFT", "").split("\n")),
        "signals": {str(n): str(signal.getsignal(n)).split(" at ")[0] for n in signal.valid_signals()},
        "mask": sorted(map(str, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        "limits": [resource.getrlimit(n) for n in range(16)],
        "umask": os.umask(0o22),
        "ids": [os.getuid(), os.getgid(), os.getpgrp() == os.getpgid(os.getppid()), os.getsid(0) == os.getsid(os.getppid())],
        "threads": [t.name for t in threading.enumerate()],
        "locale": [locale.setlocale(n) for n in range(6)] + [locale.getpreferredencoding(), sys.getfilesystemencoding()],
        "zone": [time.tzname, time.timezone, time.localtime(1700000000).tm_hour],
        "homes": homes(),
        "logging": [[str(h) for h in logging.root.handlers], logging.root.level, logging.lastResort.stream is sys.stderr],
        "warnings": [str(f) for f in warnings.filters],
        "gc": [gc.isenabled(), gc.get_threshold()],
        "main": [sys.modules["__main__"].__dict__ is globals(), __name__, __file__],
        "stdin": sys.stdin.read(),
        "reached": reached(markers),
    }


if sys.argv[1] == "pid":  # and wait for the input's end
    print(os.getpid(), flush=True)
    sys.stdin.read()
elif sys.argv[1] == "random":
    print(random.random())
elif sys.argv[1] == "how":  # "-c" of the server, or this file
    print(open("/proc/self/cmdline").read().split("\0")[1])
else:
    json.dump(facts(sys.argv[-1].split(":")), sys.stdout, indent=1, sort_keys=True)
sys.exit(int(sys.argv[2]))
