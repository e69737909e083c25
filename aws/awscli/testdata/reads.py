# Tells which environment variables are read while aws-cli is imported: python3 reads.py SCRIPT SERVER.PY
import os, sys

names = set()


class Environ(type(os.environ)):
    def __getitem__(self, key):
        names.add(os.fsdecode(key))
        return super().__getitem__(key)

    def __iter__(self):
        names.add("all of them")
        return super().__iter__()


os.environ.__class__ = Environ
server = {"__name__": "server"}
exec(open(sys.argv[2]).read(), server)
server["preload"](sys.argv[1])
print("\n".join(sorted(names)))
