# Runs aws-cli's commands, each in a process of its own that is forked from this one, which has imported aws-cli's modules.
#
#   python3 -c "$(cat server.py)" SCRIPT FOLDER NAME...
#
# SCRIPT is the aws that would be started. The socket is made in FOLDER. A line "ready" says that it listens. It ends, and with it all
# commands and the folder, when its standard input does.
#
# A connection is one command. Its first 8 bytes are the length of what follows, big-endian, and come with three descriptors, which become
# the command's 0, 1 and 2. What follows has a NUL between two parts: the working directory, the number of arguments, the arguments, and
# the environment as NAME=VALUE. The client gets one line when the process has ended: "exit CODE" or "signal NUMBER". If it hangs up
# first, the process is killed.
#
# The NAMEs begin the names of variables that count when a process starts or a module is imported. A command for which they are not as they
# were for this process starts SCRIPT.
#
# What reads from a client or waits for one is done in the forked process. Nothing here may begin a thread.

import atexit
import gc
import io
import os
import select
import signal
import socket
import stat
import sys
import threading
import time
import types

# What modules make of the home directory when they are imported has this in it, and is changed in the forked process.
HOME = "/the-home-of-the-command"


def preload(script):
    """Import what a command imports. Returns the code of the script."""
    sys.path[0] = os.path.dirname(os.path.realpath(script))
    sys.path_importer_cache.pop(os.getcwd(), None)
    import awscli.clidriver
    import awscli.handlers

    try:  # which distribution this is, for the User-Agent: it asks other programs and remembers what they say
        import distro

        distro.id(), distro.major_version()
    except Exception:
        pass
    with open(script, "rb") as f:
        return compile(f.read(), script, "exec")


def homes():
    """Return [(object, name, value)] of the attributes of modules and classes, and of the defaults of functions, that have HOME in them."""
    found, seen = [], set()
    left = [m for m in list(sys.modules.values()) if isinstance(m, types.ModuleType) and m.__name__ != "__main__"]
    for o in left:
        attributes = list(vars(o).items())
        if isinstance(o, types.FunctionType):
            attributes += [("__defaults__", o.__defaults__), ("__kwdefaults__", o.__kwdefaults__)]
        for name, value in attributes:
            if isinstance(value, (staticmethod, classmethod)):
                value = value.__func__
            if moved(value, "") is not value:
                found.append((o, name, value))
            elif isinstance(value, (type, types.FunctionType)) and id(value) not in seen:
                seen.add(id(value))
                left.append(value)
    return found


def moved(value, home):
    """Return value with home for HOME, itself if it has none."""
    if isinstance(value, str):
        return value.replace(HOME, home) if HOME in value else value
    if type(value) is tuple and any(moved(v, home) is not v for v in value):
        return tuple(moved(v, home) for v in value)
    if type(value) is dict and any(moved(v, home) is not v for v in value.values()):
        return {k: moved(v, home) for k, v in value.items()}
    return value


def devices():
    """Return the descriptors beyond the standard ones, which modules opened: /dev/urandom, say. They must be of devices."""
    found = []
    for fd in sorted(int(name) for name in os.listdir("/proc/self/fd")):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue  # the one that listed the others
        if fd > 2:
            found.append(fd)
            if not stat.S_ISCHR(mode):
                sys.exit("a module of aws-cli holds a descriptor, which a command would share: %d" % fd)
    return found


def received(connection, kept):
    """Return the working directory, the arguments and the environment of a command, whose descriptors are now the standard ones. All
    others are closed but those kept."""
    data, descriptors, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as f:
        size = int.from_bytes(data + f.read(8 - len(data)), "big")
        content = f.read(size)
    if len(descriptors) != 3 or len(content) != size:
        raise RuntimeError("the request of a command is not whole")
    connection.detach()
    for number, fd in enumerate(descriptors):
        os.dup2(fd, number)
    below = 3
    for fd in kept + [os.sysconf("SC_OPEN_MAX")]:
        os.closerange(below, fd)
        below = fd + 1
    where, count, *rest = (os.fsdecode(s) for s in content.split(b"\0"))
    return where, rest[: int(count)], dict(s.split("=", 1) for s in rest[int(count) :])


def standard(fd, mode, like):
    """Return the text stream of a standard descriptor, as the interpreter makes it (create_stdio in CPython's pylifecycle.c)."""
    buffer = open(fd, mode + "b", -1, closefd=False)
    buffer.raw.name = like.name
    lines = buffer.raw.isatty() or fd == 2
    stream = io.TextIOWrapper(buffer, encoding=like.encoding, errors=like.errors, newline="\n", line_buffering=lines)
    stream.mode = mode
    return stream


def leave(e):
    """End this process as the interpreter does, but for its clearing of all modules: that writes to all the memory that it shares with the
    server, a third of a command's time."""
    if not isinstance(e.code, int):
        raise e
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        raise e from None  # the interpreter tries again, and has a message and a status for it
    os._exit(e.code & 0xFF)


class Server:
    def __init__(self, script, folder, names):
        self.script, self.folder, self.names = script, folder, tuple(names)
        with open("/proc/self/environ", "rb") as f:
            given = dict(os.fsdecode(s).split("=", 1) for s in f.read().split(b"\0") if s)
        self.given = self.at_start(given)
        self.code = preload(script)
        # LC_CTYPE of the interpreter without a locale (PEP 538), AWS_DATA_PATH of awscli.
        self.added = {k: v for k, v in os.environ.items() if given.get(k) != v}
        self.homes = homes()
        self.devices = devices()
        if len(os.listdir("/proc/self/task")) > 1:
            sys.exit("a module of aws-cli has begun a thread, which a command would not have")
        self.commands = {}  # (process, its descriptor, connection), by the descriptor and by the connection's
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(folder, "socket"))
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.poll = select.poll()
        self.poll.register(0, select.POLLIN)
        self.poll.register(self.listener, select.POLLIN)
        gc.freeze()
        os.write(1, b"ready\n")

    def at_start(self, environment):
        """Return the part of an environment that counts when a process starts."""
        return {k: v for k, v in environment.items() if k.startswith(self.names)}

    def serve(self):
        """Fork a process for each connection. In such a process alone it returns: what the process, which is the command now, is to run."""
        while True:
            # New connections come last: until then a number stands for the descriptor that it stood for when poll returned.
            for fd, _ in sorted(self.poll.poll(), key=lambda event: event[0] == self.listener.fileno()):
                if fd == 0:
                    self.end()
                elif fd == self.listener.fileno():
                    if self.accept():
                        return self.code
                elif fd in self.commands:
                    self.ended(fd)

    def accept(self):
        """Fork. True in the new process, which is the command."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return False  # the client is gone
        process = os.fork()
        if process == 0:
            for s in [self.listener, *(c for _, _, c in self.commands.values())]:
                s.detach()  # become closes the descriptor
            self.become(connection)
            return True
        handle = os.pidfd_open(process)
        self.commands[handle] = self.commands[connection.fileno()] = (process, handle, connection)
        self.poll.register(handle, select.POLLIN)
        self.poll.register(connection, select.POLLRDHUP)
        return False

    def become(self, connection):
        """Turn this process, which was forked, into the command that the client asks for."""
        where, arguments, environment = received(connection, self.devices)
        os.chdir(where)
        os.environ.clear()
        os.environ.update(environment)
        home = os.path.expanduser("~/x")[:-2]
        users = sys.modules["site"].USER_SITE  # the packages that a user installed, which another home may have
        if self.at_start(environment) != self.given or users and os.path.isdir(users.replace(HOME, home)):
            os.execve(self.script, [self.script] + arguments, environment)
        os.environ.update(self.added)
        time.tzset()
        for o, name, value in self.homes:
            setattr(o, name, moved(value, home))
        if "multiprocessing.process" in sys.modules:
            sys.modules["multiprocessing.process"].ORIGINAL_DIR = os.getcwd()
        sys.argv = [self.script] + arguments
        sys.orig_argv = [sys.orig_argv[0]] + sys.argv
        sys.stdin = sys.__stdin__ = standard(0, "r", sys.__stdin__)
        sys.stdout = sys.__stdout__ = standard(1, "w", sys.__stdout__)
        sys.stderr = sys.__stderr__ = standard(2, "w", sys.__stderr__)

    def ended(self, fd):
        """Kill the process whose client hung up, or tell the client how its process ended."""
        process, handle, connection = self.commands[fd]
        self.poll.unregister(fd)
        if fd != handle:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return
        try:
            self.poll.unregister(connection)
        except KeyError:
            pass  # it hung up before
        del self.commands[handle], self.commands[connection.fileno()]
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.close(handle)
        try:
            connection.sendall(b"exit %d\n" % status if status >= 0 else b"signal %d\n" % -status)
        except OSError:
            pass  # it does not wait for it
        connection.close()

    def end(self):
        """End all commands and this process."""
        for _, handle, _ in self.commands.values():
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)
        os._exit(0)


if __name__ == "__main__":
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what who started the tests left open
    code = Server(sys.argv[1], sys.argv[2], sys.argv[3:]).serve()
    main = types.ModuleType("__main__")
    main.__file__ = sys.argv[0]
    for name in [n for n, m in sys.modules.items() if m is sys.modules["__main__"]]:  # multiprocessing has another name for it
        sys.modules[name] = main
    try:
        exec(code, vars(main))
    except SystemExit as e:
        leave(e)
