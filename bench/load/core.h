/* What the files of the core know of one another, beyond workload.h. */
#ifndef CORE_H
#define CORE_H

#include "workload.h"

/* main.c */
extern const struct protocol *const protocols[];
extern const struct workload *const workloads[];

/* people.c */
void read_people(const char *path);

/* loop.c */
void loop_start(void);
/* Handle what comes until `until`, or until something did; then write what was said. `on_line` gets lines of stdin. */
void loop_turn(int64_t until, void (*on_line)(const char *line));
void loop_listen_to_stdin(void);
void open_connection(struct connection *);
extern bool stdin_ended;

/* gather.c */
void gather_step(int64_t now);
int64_t gather_due(void);
void lost(struct connection *, bool was_signed_in, const char *reason);

/* json.c */
void json_begin(const char *event);
void json_end(void);

/* run.c */
double own_cpu_seconds(void);
int run(void);

#endif
