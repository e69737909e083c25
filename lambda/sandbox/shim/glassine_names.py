"""Where a function shares the machine's network, AWS's names would lead to AWS. This takes them, and the labels that SDKs
put before an endpoint's address, to the port where the AWS endpoint listens for this function."""

import socket


def ours(host):
    if isinstance(host, bytes):
        host = host.decode("idna", "replace")
    host = str(host).lower().rstrip(".")
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".127.0.0.1"))


def install(aws_port):
    getaddrinfo, gethostbyname = socket.getaddrinfo, socket.gethostbyname

    def hooked(host, port, family=0, type=0, proto=0, flags=0):
        if ours(host):
            return getaddrinfo("127.0.0.1", aws_port, socket.AF_INET, type, proto, flags)
        return getaddrinfo(host, port, family, type, proto, flags)

    socket.getaddrinfo = hooked
    socket.gethostbyname = lambda host: "127.0.0.1" if ours(host) else gethostbyname(host)
