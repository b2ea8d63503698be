// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fmt.h"

static struct finding_fact *next_fact(struct finding *f, const char *name)
{
	struct finding_fact *fact;

	if (f->num_facts == FINDING_FACTS)
		return NULL;
	fact = &f->facts[f->num_facts++];
	*fact = (struct finding_fact){ .name = name };
	return fact;
}

void finding__fact(struct finding *f, const char *name, uint64_t number)
{
	struct finding_fact *fact = next_fact(f, name);

	if (fact)
		fact->number = number;
}

void finding__fact_tenths(struct finding *f, const char *name, uint64_t tenths)
{
	struct finding_fact *fact = next_fact(f, name);

	if (!fact)
		return;
	fact->number = tenths;
	fact->tenths = true;
}

void finding__fact_text(struct finding *f, const char *name, const char *text)
{
	struct finding_fact *fact = next_fact(f, name);

	if (fact)
		snprintf(fact->text, sizeof(fact->text), "%s", text);
}

void finding__say(struct finding *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->sentence, sizeof(f->sentence), format, ap);
	va_end(ap);
}

void finding__step(struct finding *f, const char *format, ...)
{
	va_list ap;

	if (f->num_steps == FINDING_STEPS)
		return;
	va_start(ap, format);
	vsnprintf(f->steps[f->num_steps++], FINDING_TEXT, format, ap);
	va_end(ap);
}

void finding__avoid(struct finding *f, const char *text)
{
	snprintf(f->avoid, sizeof(f->avoid), "%s", text);
}

void finding__who(struct finding *f, const struct evidence_flow *flow)
{
	memcpy(f->comm, flow->key.comm, sizeof(f->comm));
	memcpy(f->label, flow->label, sizeof(f->label));
	memcpy(f->command, flow->command, sizeof(f->command));
	f->pid = flow->num_pids == 1 && !flow->summed ? flow->pid : 0;
	f->several = flow->num_pids > 1;
	f->netns = flow->key.netns;
	f->family = flow->key.family;
	if (flow->key.side == TWS_SIDE_SERVER) {
		f->local_port = flow->key.port;
		memcpy(f->local_addr, flow->some_local, sizeof(f->local_addr));
		return;
	}
	f->peer_port = flow->key.port;
	memcpy(f->local_addr, flow->key.local_addr, sizeof(f->local_addr));
	memcpy(f->peer_addr, flow->key.peer_addr, sizeof(f->peer_addr));
}

const char *finding__name(char to[FINDING_NAME], const char *comm, const char *label)
{
	struct outbuf ob;

	outbuf__init_fixed(&ob, to, FINDING_NAME);
	if (comm[0])
		escape__text(&ob, comm, strnlen(comm, TWS_COMM_LEN));
	else
		outbuf__lit(&ob, "a process that is not known");
	if (label && label[0]) {
		outbuf__lit(&ob, " in ");
		escape__text_columns(&ob, label, strnlen(label, EVIDENCE_LABEL), 60);
	}
	return outbuf__terminate(&ob);
}

void finding__command(struct outbuf *ob, const struct finding *f)
{
	escape__text(ob, f->command, strnlen(f->command, sizeof(f->command)));
}

const char *finding__end(char to[FINDING_END], uint8_t family, const uint8_t addr[16],
			 uint16_t port)
{
	char text[FMT_IPV6_MAX + 1];
	size_t len = family == AF_INET ? fmt__ipv4(text, addr) : fmt__ipv6(text, addr);

	snprintf(to, FINDING_END, family == AF_INET ? "%.*s:%u" : "[%.*s]:%u", (int)len, text, port);
	return to;
}

const char *finding__span(char to[FINDING_SPAN], uint64_t ns)
{
	to[fmt__lifetime(to, ns)] = '\0';
	return to;
}

const char *finding__severity(enum severity severity)
{
	static const char *const words[] = { "ok", "notice", "warning", "critical" };

	return words[severity];
}

const char *finding__confidence(enum confidence confidence)
{
	static const char *const words[] = { "seen", "inferred", "too little seen" };

	return words[confidence];
}
