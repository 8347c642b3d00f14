"""Several cores: workers hold the sockets, one core process holds everything else (docs/adr/0017).

`notes` is what core and worker say to each other, `worker` the process with the sockets, `line` and `post` the core's
end of a socket and of a pipe, `crew` starts workers and gives them sockets.
"""
