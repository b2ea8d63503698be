# SPDX-License-Identifier: GPL-2.0
# fish completion for twsnoop(8)

set -l commands trace list top diagnose record report serve attach detach check help
set -l keys local local-port remote remote-port netns process pid uid container pod state side cause
set -l tracing "not __fish_seen_subcommand_from report attach detach check help"
set -l printing "not __fish_seen_subcommand_from top diagnose record report serve attach detach check help"
set -l only_trace "not __fish_seen_subcommand_from list top diagnose record report serve attach detach check help"
set -l from "not __fish_seen_subcommand_from list report attach detach check help"
set -l recording "__fish_seen_subcommand_from record"
set -l reporting "__fish_seen_subcommand_from report"
set -l listing "__fish_seen_subcommand_from list"
set -l diagnosing "__fish_seen_subcommand_from diagnose"
set -l serving "__fish_seen_subcommand_from serve"
set -l top "__fish_seen_subcommand_from top"

complete -c twsnoop -f
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a trace \
    -d 'Print each active close (the default)'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a list \
    -d 'Print the TIME_WAIT sockets that exist now'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a top \
    -d 'Show who closes, how often, and how near ports are to their end'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a diagnose \
    -d 'Say whether it is harmful, who makes it so, and what to do'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a record \
    -d 'Record each end of a connection into a file'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a report \
    -d 'Tell what happened, out of a recording'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a serve \
    -d 'Answer with metrics for Prometheus'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a attach \
    -d 'Let the kernel keep the owners of closed connections'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a detach \
    -d 'Remove what attach has left in the kernel'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a check \
    -d 'Tell what this kernel and these privileges allow'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -a help -d 'Show the commands'
complete -c twsnoop -n "not __fish_seen_subcommand_from $commands" -s V -l version \
    -d 'Show the version'
complete -c twsnoop -s h -l help -d 'Show help'

complete -c twsnoop -n "not __fish_seen_subcommand_from serve attach detach help" -l json \
    -d 'Short for --output json'
complete -c twsnoop -n "$printing" -s o -l output -x -a 'text json csv' -d 'Form of the output'
complete -c twsnoop -n "__fish_seen_subcommand_from check diagnose" -s o -l output -x -a 'text json' \
    -d 'Form of the output'

complete -c twsnoop -n "__fish_seen_subcommand_from attach detach check" -l bpffs -x \
    -a '(__fish_complete_directories)' -d 'Where a bpffs is mounted'
complete -c twsnoop -n "__fish_seen_subcommand_from attach" -l size -x -d 'Owners that are kept'
complete -c twsnoop -n "__fish_seen_subcommand_from attach" -l max-connections -x \
    -d 'That are watched at once'
complete -c twsnoop -n "__fish_seen_subcommand_from attach" -s a -l all \
    -d 'Record every way in which a connection can end'
complete -c twsnoop -n "__fish_seen_subcommand_from attach" -l syscalls \
    -d 'With --all: also connect() and bind() that fail before SYN_SENT'
complete -c twsnoop -n "__fish_seen_subcommand_from attach" -l ring-size -x \
    -d 'Size of the ring of events'

complete -c twsnoop -n "$only_trace" -s a -l all -d 'Print every way in which a connection can end'
complete -c twsnoop -n "$only_trace" -s n -l count -x -d 'Stop after N events'
complete -c twsnoop -n "$from; and not __fish_seen_subcommand_from top serve" -s d -l duration -x -d 'Stop after a time: 10, 500ms, 5m, 1h'
complete -c twsnoop -n "$from" -l since -x -a '1m 5m 1h' \
    -d 'Begin with what the recorder holds'
complete -c twsnoop -n "$from" -l until -x -d 'End at a time'
complete -c twsnoop -n "$from" -l utc -d 'Times are in UTC'
complete -c twsnoop -n "$from" -l own -d 'Load programs, even if a recorder is attached'
complete -c twsnoop -n "$only_trace" -l wait -d 'Go on with the next recorder'
complete -c twsnoop -n "$from" -l bpffs -x -a '(__fish_complete_directories)' \
    -d 'Where the recorder is pinned'
complete -c twsnoop -n "$from" -l ring-size -x -d 'Size of the ring of events'
complete -c twsnoop -n "$from" -l max-connections -x -d 'That are watched at once'
complete -c twsnoop -n "$printing" -l from -r -F -d 'Answer from a recording'
complete -c twsnoop -n "$printing" -l at -x -d 'With --from: at this moment'
complete -c twsnoop -n "$listing" -l utc -d 'Times of a recording are in UTC'
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
complete -c twsnoop -n "$tracing" -s l -l local -x -d 'Local [!][ADDR[%DEVICE][/LEN]][:PORT[-PORT]]'
complete -c twsnoop -n "$tracing" -s r -l remote -x -d 'Remote [!][ADDR[%DEVICE][/LEN]][:PORT[-PORT]]'
complete -c twsnoop -n "$tracing" -l side -x -a 'client server' -d 'Which end'
complete -c twsnoop -n "$tracing" -l netns -r -F -a '(string match -r ".+" /run/netns/*)' \
    -d 'This network namespace'

complete -c twsnoop -n "$listing" -l all -d 'Sockets of every state, with who holds them'
complete -c twsnoop -n "$listing" -l sort -x -a "age left $keys" -d 'Order of the rows'
complete -c twsnoop -n "$listing" -l reverse -d 'The other way round'
complete -c twsnoop -n "$listing" -l by -x -a "$keys" -d 'Count by this, or by several'
complete -c twsnoop -n "$listing" -l states -d 'Count connections in each state'
complete -c twsnoop -n "$listing" -l ports -d 'Local ports that are taken, and left'

complete -c twsnoop -n "$reporting" -F
complete -c twsnoop -n "$reporting" -l since -x -a '1h 1d' -d 'Begin at a time'
complete -c twsnoop -n "$reporting" -l until -x -d 'End at a time'
complete -c twsnoop -n "$reporting" -l at -x -d 'Half an hour before a time, and after'
complete -c twsnoop -n "$reporting" -l html -r -F -d 'One HTML file'
complete -c twsnoop -n "$reporting" -l json -d 'One JSON object'
complete -c twsnoop -n "$reporting" -l utc -d 'Times are in UTC'

complete -c twsnoop -n "$recording" -F
complete -c twsnoop -n "$recording" -l size -x -d 'Of the recording at most'
complete -c twsnoop -n "$recording" -l keep -x -a '7d 28d 90d' -d 'What is older goes'
complete -c twsnoop -n "$recording" -l raw -x -d 'Share of the size for single events'
complete -c twsnoop -n "$recording" -l time-wait-only -d 'Record entries into TIME_WAIT alone'
complete -c twsnoop -n "$recording" -s q -l quiet -d 'No line that shows how it grows'
complete -c twsnoop -n "$recording" -l status -d 'Say what the file holds'
complete -c twsnoop -n "$serving" -l listen -x -a '127.0.0.1:9810 :9810' -d 'Where to answer HTTP'
complete -c twsnoop -n "$serving" -l record -r -F -d 'Record into a file, too'
complete -c twsnoop -n "$serving" -l record-size -x -d 'Of the recording at most'
complete -c twsnoop -n "$serving" -l tls-cert -r -F -d 'Answer HTTPS with this certificate'
complete -c twsnoop -n "$serving" -l tls-key -r -F -d 'And this key'
complete -c twsnoop -n "$serving" -l max-series -x -d 'Of metrics, at most'
complete -c twsnoop -n "$serving" -l interval -x -d 'Between two looks at ports'
complete -c twsnoop -n "$serving" -l time-wait-only -d 'Count entries into TIME_WAIT alone'
complete -c twsnoop -n "$serving" -l otlp -x -a 'http://' -d 'Send events to what takes OTLP logs'
complete -c twsnoop -n "$serving" -l clickhouse -x -a 'http://' -d 'Send events to ClickHouse'
complete -c twsnoop -n "$serving" -l spool -r -F -d 'Where events wait for their store'
complete -c twsnoop -n "$serving" -l spool-size -x -d 'At most, for each store'
complete -c twsnoop -n "$top" -s i -l interval -x -d 'From one frame to the next: 500ms, 5, 1m'
complete -c twsnoop -n "$top" -s n -l count -x -d 'Stop after N frames'
complete -c twsnoop -n "$top" -s b -l batch -d 'Frames of plain text'
complete -c twsnoop -n "$top" -l by -x -a "$keys" -d 'What rows have in common'
complete -c twsnoop -n "$top" -l sort -x -a 'name closes held total client ports failed lifetime' \
    -d 'Order of the rows'
complete -c twsnoop -n "$top" -l reverse -d 'The other way round'
complete -c twsnoop -n "$top" -l rows -x -d 'At most so many; the rest is ~other'

complete -c twsnoop -n "$diagnosing" -s v -l verbose -d 'All that is known of every finding'
complete -c twsnoop -n "$diagnosing" -l plugin -d 'One line, and the status of a monitoring plugin'
complete -c twsnoop -n "$diagnosing" -l from -r -F -d 'Judge by a recording'
complete -c twsnoop -n "$diagnosing" -l at -x -d 'With --from: at this moment'
