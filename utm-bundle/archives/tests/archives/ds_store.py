"""One line for each thing in a .DS_Store that the tests look at. Written by the format's description, not by our writer."""

import plistlib
import struct
import sys

data = open(sys.argv[1], "rb").read()
one, magic, root, root_bytes, again = struct.unpack_from(">I4sIII", data)
assert (one, magic, again) == (1, b"Bud1", root)


class Block:
    """Bytes of a block, read from the beginning. Positions leave out the file's first four bytes."""

    def __init__(self, start, length):
        self.rest = data[4 + start : 4 + start + length]
        assert len(self.rest) == length

    def take(self, form):
        size = struct.calcsize(form)
        value, self.rest = struct.unpack(form, self.rest[:size]), self.rest[size:]
        return value if len(value) > 1 else value[0]


# The allocator: addresses, names, free blocks.
allocator = Block(root, root_bytes)
count, _ = allocator.take(">II")
addresses = allocator.take(">256I")[:count]
names = {}
for _ in range(allocator.take(">I")):
    name = allocator.take(f">{allocator.take('>B')}s")
    names[name] = allocator.take(">I")
blocks = [(address & ~0x1F, 1 << (address & 0x1F)) for address in addresses]
used = [(0, 32)] + blocks
for log in range(32):
    for _ in range(allocator.take(">I")):
        used.append((allocator.take(">I"), 1 << log))
# Used and free blocks together are all of the 2 GiB, without a gap and without a byte twice.
end = 0
for start, length in sorted(used):
    assert start == end and start % length == 0, (start, end, length)
    end += length
assert end == 1 << 31
assert root == blocks[0][0]

node, levels, records, nodes, page = Block(*blocks[names[b"DSDB"]]).take(">IIIII")
assert (levels, nodes, page) == (0, 1, 4096)
leaf = Block(*blocks[node])
child, count = leaf.take(">II")
assert child == 0 and count == records
order = []
for _ in range(count):
    name = leaf.take(f">{2 * leaf.take('>I')}s").decode("utf-16-be")
    code, kind = leaf.take(">4s4s")
    order.append((name.lower(), code))
    label = f"{name} {code.decode()}"
    if kind == b"long":
        print(label, leaf.take(">I"))
        continue
    assert kind == b"blob"
    value = leaf.take(f">{leaf.take('>I')}s")
    if code == b"Iloc":
        print(label, *struct.unpack_from(">II", value))
        continue
    view = plistlib.loads(value)
    for key in ("WindowBounds", "backgroundType", "iconSize"):
        if key in view:
            print(label, key, view[key])
    if alias := view.get("backgroundImageAlias"):
        length, version = struct.unpack_from(">HH", alias, 4)
        assert version == 2
        print(label, "alias length", "right" if length == len(alias) else "wrong")
        at = 150
        while (tag := struct.unpack_from(">h", alias, at)[0]) != -1:
            size = struct.unpack_from(">H", alias, at + 2)[0]
            field = alias[at + 4 : at + 4 + size]
            if tag in (14, 15):
                print(label, "alias", tag, field[2:].decode("utf-16-be"))
            if tag in (18, 19):
                print(label, "alias", tag, field.decode())
            at += 4 + size + size % 2
        assert at + 4 == len(alias)
assert order == sorted(order)
