"""SLURM's hostlists: `n[01-03,07]` stands for n01, n02, n03 and n07."""

import re

#: SLURM itself stops at 65,536 nodes.
MOST_NAMES = 65536


def split(text):
    """Parts between commas outside brackets."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [part for part in [*parts, text[start:]] if part]


def expand(text):
    """Names of a hostlist in order. ValueError where the text is none or stands for too many names."""
    names = []
    for part in split(text):
        names.extend(expand_part(part))
        if len(names) > MOST_NAMES:
            raise ValueError(f"{text[:60]!r} stands for more than {MOST_NAMES} names")
    return names


def expand_part(part):
    match = re.fullmatch(r"([^\[\]]*)\[([^\[\]]*)\](.*)", part)
    if match is None:
        if "[" in part or "]" in part:
            raise ValueError(f"{part!r} is not a hostlist")
        return [part]
    head, ranges, tail = match.groups()
    tails = expand_part(tail)
    return [head + number + end for number in numbers(ranges, part) for end in tails]


def numbers(ranges, part):
    found = []
    for piece in ranges.split(","):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", piece)
        if match is None:
            raise ValueError(f"{part!r} is not a hostlist")
        first, last = match.group(1), match.group(2) or match.group(1)
        if not 0 <= int(last) - int(first) < MOST_NAMES:
            raise ValueError(f"{part!r} is not a hostlist")
        found.extend(str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return found
