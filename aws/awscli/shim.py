# Is aws for scripts: it asks the server to run the command, or starts AWS if there is none. It imports next to nothing, for it is started as
# often as aws would be.
import posix, sys

AWS, SOCKET = "@AWS@", "@SOCKET@"


def encoded(s):
    return s.encode(sys.getfilesystemencoding(), "surrogateescape")


def initial():  # posix.environ has what the interpreter puts there too
    fd, content = posix.open("/proc/self/environ", posix.O_RDONLY), b""
    while part := posix.read(fd, 1 << 20):
        content += part
    posix.close(fd)
    return [s for s in content.split(b"\0") if b"=" in s]


environment = initial()
try:
    import _socket

    server = _socket.socket(_socket.AF_UNIX)
    server.connect(SOCKET)
    arguments = [encoded(s) for s in sys.argv[1:]]
    content = b"\0".join([posix.getcwdb(), b"%d" % len(arguments)] + arguments + environment)
    standard = b"".join(n.to_bytes(4, sys.byteorder) for n in (0, 1, 2))
    server.sendmsg([len(content).to_bytes(8, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, standard)])
    server.sendall(content)
except OSError:
    posix.execve(AWS, [AWS] + sys.argv[1:], dict(s.split(b"=", 1) for s in environment))
answer = b""
while part := server.recv(64):
    answer += part
if not answer:
    sys.exit("the server of aws-cli has ended")
how, number = answer.split()
if how == b"signal":
    posix.kill(posix.getpid(), int(number))
posix._exit(int(number))
