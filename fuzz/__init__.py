"""Fuzz: what must hold whatever octets a peer sends, tried with very many of them.

Four targets, each a process of its own that feeds a broker without sockets: the AMQP connection before a login, the
same behind one, the PROXY header, and the two HTTP ports behind aiohttp's own parser. ``make fuzz`` runs them; the
tests run a few seconds of each.

An input is a list of steps, built by a grammar from valid conversations and then damaged. Its number, the seed and the
name of the target say all there is to know about it, so it can be made again. After each input the broker must have
kept its rules: no exception, well-formed frames or JSON, no 541 and no 500, nothing left behind, no secret told,
bounded answers and bounded time. A process that dies or hangs is found as well: it notes the number of each input
before it begins with it. Memory is read from the kernel and must be flat once the broker has warmed up.

Rejected: a coverage-guided fuzzer. What mypyc has compiled cannot be traced, and interpreted it is ten times slower.
"""
