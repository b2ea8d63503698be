# SPDX-License-Identifier: GPL-2.0
# bash completion for twsnoop(8)

_twsnoop_words() {
	local IFS=$' \t\n'

	# shellcheck disable=SC2207
	COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# The command on the line, "trace" if there is none yet.
_twsnoop_command() {
	case ${COMP_WORDS[1]} in
	trace | list | top | diagnose | record | report | serve | attach | detach | check | help) echo "${COMP_WORDS[1]}" ;;
	*) echo trace ;;
	esac
}

_twsnoop() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local output='-o --output --json -h --help'
	local keys='local local-port remote remote-port netns process pid uid container pod state side
		cause'
	local list='--all --sort --reverse --by --states --ports --no-names --runtime-socket --from --at --utc
		-p --pid -c --comm -C --container -4 --ipv4 -6 --ipv6 -l --local -r --remote --side --netns'
	local trace='-a --all -n --count -d --duration --since --until --utc --from --at --own --wait --bpffs
		--ring-size --max-connections --no-names --runtime-socket -p --pid -c --comm -C --container -4 --ipv4 -6 --ipv6 -l --local
		-r --remote --side --netns'
	local diagnose='-d --duration -v --verbose --plugin --since --until --utc --from --at --own --bpffs
		--ring-size --max-connections --no-names --runtime-socket -p --pid -c --comm -C --container
		-4 --ipv4 -6 --ipv6 -l --local -r --remote --side --netns'
	local report='--since --until --at --html --json --utc -h --help'
	local record='--size --keep --raw --time-wait-only -d --duration -q --quiet --status --json --since
		--until --utc --own --bpffs --ring-size --max-connections --no-names --runtime-socket
		-p --pid -c --comm -C --container -4 --ipv4 -6 --ipv6 -l --local -r --remote --side
		--netns -h --help'
	local serve='--listen --record --record-size --tls-cert --tls-key --max-series --interval --time-wait-only
		--otlp --clickhouse --spool --spool-size --since --until --utc --own
		--bpffs --ring-size --max-connections --no-names --runtime-socket -p --pid -c --comm -C --container
		-4 --ipv4 -6 --ipv6 -l --local -r --remote --side --netns -h --help'
	local top='-i --interval -n --count -b --batch --json --by --sort --reverse --rows --since --until --utc
		--from --at --own --bpffs --ring-size --max-connections --no-names --runtime-socket -p --pid -c --comm -C
		--container -4 --ipv4 -6 --ipv6 -l --local -r --remote --side --netns -h --help'

	COMPREPLY=()
	case $prev in
	--bpffs)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-o | --output)
		if [[ $(_twsnoop_command) == check || $(_twsnoop_command) == diagnose ]]; then
			_twsnoop_words 'text json'
		else
			_twsnoop_words 'text json csv'
		fi
		return
		;;
	--side)
		_twsnoop_words 'client server'
		return
		;;
	--sort)
		if [[ $(_twsnoop_command) == top ]]; then
			_twsnoop_words 'name closes held total client ports failed lifetime'
		else
			_twsnoop_words "age left $keys"
		fi
		return
		;;
	--by)
		# what stands before the last comma stays
		# shellcheck disable=SC2059,SC2086 # keys are words without a %
		[[ $cur != *,* ]] || keys=$(printf "${cur%,*},%s " $keys)
		_twsnoop_words "$keys"
		return
		;;
	--runtime-socket | --from | --tls-cert | --tls-key | --record | --spool)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--netns)
		compopt -o filenames 2>/dev/null
		if [[ $cur ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- /run/netns/)
		fi
		return
		;;
	-p | --pid)
		_twsnoop_words "$(cd /proc && echo [0-9]*)"
		return
		;;
	-c | --comm)
		mapfile -t COMPREPLY < <(compgen -W "$(ps -e -o comm= 2>/dev/null |
			grep -x '[A-Za-z0-9_.-]*' | sort -u)" -- "$cur")
		return
		;;
	--since | --until | --at | -i | --interval | --rows | -n | --count | -d | --duration | --ring-size | --max-connections | --size | \
		--keep | --raw | --listen | --max-series | --record-size | \
		-C | --container | -l | --local | -r | --remote)
		return
		;;
	esac
	if ((COMP_CWORD == 1)); then
		_twsnoop_words "trace list top diagnose record report serve attach detach check help $trace $output --version"
	elif [[ $(_twsnoop_command) == check ]]; then
		_twsnoop_words "--bpffs $output"
	elif [[ $(_twsnoop_command) == attach ]]; then
		_twsnoop_words '-a --all --syscalls --size --ring-size --max-connections --bpffs -h --help'
	elif [[ $(_twsnoop_command) == detach ]]; then
		_twsnoop_words '--bpffs -h --help'
	elif [[ $(_twsnoop_command) == re[cp]or[dt] ]]; then
		if [[ $cur == -* && $(_twsnoop_command) == report ]]; then
			_twsnoop_words "$report"
		elif [[ $cur == -* ]]; then
			_twsnoop_words "$record"
		else
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
	elif [[ $(_twsnoop_command) == serve ]]; then
		_twsnoop_words "$serve"
	elif [[ $(_twsnoop_command) == top ]]; then
		_twsnoop_words "$top"
	elif [[ $(_twsnoop_command) == diagnose ]]; then
		_twsnoop_words "$diagnose $output"
	elif [[ $(_twsnoop_command) == list ]]; then
		_twsnoop_words "$list $output"
	elif [[ $(_twsnoop_command) == trace ]]; then
		_twsnoop_words "$trace $output"
	fi
}

complete -F _twsnoop twsnoop
