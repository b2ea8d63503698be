# SPDX-License-Identifier: GPL-2.0
# fish completion for twsnoop(8)

set -l commands trace check help
set -l tracing "not __fish_seen_subcommand_from check help"

complete -c twsnoop -f
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a trace \
    -d 'Print each active close (the default)'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a check \
    -d 'Tell what this kernel and these privileges allow'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a help -d 'Show the commands'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -s V -l version \
    -d 'Show the version'
complete -c twsnoop -s h -l help -d 'Show help'

complete -c twsnoop -n "not __fish_seen_subcommand_from help" -l json -d 'Short for --output json'
complete -c twsnoop -n "$tracing" -s o -l output -x -a 'text json csv' -d 'Form of the output'
complete -c twsnoop -n "__fish_seen_subcommand_from check" -s o -l output -x -a 'text json' \
    -d 'Form of the output'

complete -c twsnoop -n "$tracing" -s a -l all -d 'Print every way in which a connection can end'
complete -c twsnoop -n "$tracing" -s n -l count -x -d 'Stop after N events'
complete -c twsnoop -n "$tracing" -s d -l duration -x -d 'Stop after a time: 10, 500ms, 5m, 1h'
complete -c twsnoop -n "$tracing" -l ring-size -x -d 'Size of the ring buffer'
complete -c twsnoop -n "$tracing" -l max-connections -x -d 'That are watched at once'
complete -c twsnoop -n "$tracing" -l no-names -d 'Ask no container runtime for names'
complete -c twsnoop -n "$tracing" -l runtime-socket -r -F \
    -d 'Ask Docker or Podman at this socket for names'

complete -c twsnoop -n "$tracing" -s p -l pid -x -a '(__fish_complete_pids)' \
    -d 'Closed by one of these processes'
complete -c twsnoop -n "$tracing" -s c -l comm -x -a '(__fish_complete_proc)' \
    -d 'Closed by a process or thread of this name'
complete -c twsnoop -n "$tracing" -s C -l container -x -d 'Closed in this container'
complete -c twsnoop -n "$tracing" -s 4 -l ipv4 -d 'IPv4 only'
complete -c twsnoop -n "$tracing" -s 6 -l ipv6 -d 'IPv6 only'
complete -c twsnoop -n "$tracing" -s l -l local -x -d 'Local [ADDR[/LEN]][:PORT]'
complete -c twsnoop -n "$tracing" -s r -l remote -x -d 'Remote [ADDR[/LEN]][:PORT]'
complete -c twsnoop -n "$tracing" -l side -x -a 'client server' -d 'Which end'
complete -c twsnoop -n "$tracing" -l netns -r -F -a '(string match -r ".+" /run/netns/*)' \
    -d 'This network namespace'
