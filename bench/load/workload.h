/* What a workload does, and what the core offers to it. A workload decides who sends what and when, and counts. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdio.h>

#include "histogram.h"
#include "protocol.h"

#define NEVER INT64_MAX
#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

/* Moments are nanoseconds of CLOCK_MONOTONIC, which all processes of the machine share. */
int64_t clock_now(void);

/* A conversation and one of its members that is ours. */
struct place {
    struct connection *connection;
    struct conversation *conversation;
    uint32_t order; /* of all places of all processes: which one it is */
    uint32_t index; /* of our own */
};

/* A message under way. */
struct ticket {
    uint64_t number;
    int64_t started; /* when it was due */
    struct place place; /* who sent it, and where */
    uint32_t next; /* of tickets.c */
};

struct workload {
    const char *name, *about;

    /* Whether the runner gives a window of time; otherwise the work itself has an end. */
    bool timed;
    /* Whether the core has all who connect signed in before `begin`; otherwise the workload does it. */
    bool gathered; /* --known asks for it, too */
    /* Whether devices that lose their connection come back; otherwise it is a failure. */
    bool comes_back;

    bool (*connects)(const struct person *); /* NULL: everybody */
    void (*begin)(int64_t now);
    /* Do what is due; return when to be called again, or NEVER. Called after whatever happened, too. May be NULL. */
    int64_t (*due)(int64_t now);
    /* Whether there is nothing left to wait for; asked after the window's end if the workload is timed. */
    bool (*over)(int64_t now);
    /* Write what was found as members of a JSON object (json_...). */
    void (*report)(void);

    /* What happens; each may be NULL. */
    void (*signed_in)(struct connection *);
    void (*stored)(struct connection *, uint32_t ticket, struct ticket *);
    void (*receipt)(struct connection *, uint32_t ticket, struct ticket *, int64_t now);
    void (*arrived)(struct connection *, uint64_t number, int64_t due, int64_t now);
    void (*signalled)(struct connection *, enum signal);
};

extern const struct workload pairs, fill, drain, idle, storm, fanout, day;

/* What the command line says. */
struct options {
    const struct workload *workload;
    const struct protocol *protocol;
    const char *target, *host, *people;
    uint32_t part, parts, addresses, at_once;
    double warm_up, seconds;
    bool wait;
    size_t bytes;
    uint32_t in_flight;
    bool both;
    double rate, group_rate, typing_rate, presence_rate;
    bool poisson;
    uint64_t messages;
    uint32_t senders;
    bool exchange, known;
    double patience;
};
extern struct options options;

/* When to count: begin to work at `begin`, count from `start` until `end` (exclusive). */
struct window {
    int64_t begin, start, end;
};
extern struct window window;
extern bool told_to_stop; /* by a line `stop`, or by the end of stdin */
static inline bool counts(int64_t moment) { return moment >= window.start && moment < window.end; }

/* People and their connections. */
extern struct person *people;
extern uint32_t people_count;
extern struct conversation *conversations;
extern uint32_t conversations_count;
extern struct connection *connections; /* one of each person */
bool is_ours(const struct person *); /* whether this process plays it */

/* The places from which is sent: the first `senders` members of each conversation (0: all) that are ours. */
struct places {
    struct place *place;
    uint32_t count, next;
    uint32_t all; /* places of all processes */
    double share; /* which part of them is ours */
};
struct places places_to_send(uint32_t senders, bool of_groups);
struct place next_place(struct places *);

/* Connect people, so many at the same time, and sign them in. */
void gather(bool (*who)(const struct person *), uint32_t at_once);
bool all_gathered(void);
extern struct gathering {
    int64_t began, ended; /* ended: when the last one was signed in */
    double cpu_seconds; /* of this process */
    uint32_t wanted, signed_in, lost;
    char last_reason[128]; /* why the last one of those was lost */
} gathering;
/* End a connection without a word, as a lost network does. */
void cut(struct connection *);

/* Send a message that was due at `due`. */
void send_message(struct place, uint64_t number, int64_t due);
/* A number that no other message of this run has. */
uint64_t next_number(void);
/* The ticket is not needed any more. */
void return_ticket(uint32_t ticket);
extern uint32_t under_way; /* tickets that are taken */

/* Moments at a rate: evenly spaced, or as a Poisson process has them. */
struct pace {
    double rate;
    int64_t next;
};
struct pace pace_from(double rate, int64_t begin);
bool pace_due(struct pace *, int64_t now, int64_t *due);

/* Members of the JSON object that is being written. */
void json_integer(const char *name, int64_t value);
void json_real(const char *name, double value);
void json_text(const char *name, const char *value);
void json_latency(const char *name, const struct histogram *);

#endif
