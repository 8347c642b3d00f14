/* XMPP's stream of XML (RFC 6120), as far as a client of these servers needs it: where a stanza ends, and what its
 * tags say. The XML is well formed, and without comments, processing instructions and DTDs, as the RFC asks. */
#ifndef XMPP_STREAM_H
#define XMPP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a stream has been looked at; all zero at its beginning. */
struct splitter {
    size_t at;      /* of the bytes that begin with the stanza */
    uint32_t depth; /* elements that are open there; 1 between two stanzas */
};

/* Find the end of the first stanza of a stream. `data` begins where the stanza before ended, and may have grown since the
 * last call. The head and the end of the stream are found as stanzas of their own. Return false if not all is there. */
bool next_stanza(struct splitter *, const char *data, size_t size, size_t *stanza_size);

/* Some text in a stanza; NULL if it is not there. */
struct text {
    const char *at;
    size_t size;
};

struct stanza {
    struct text whole, name, from, id, type;
};

/* Read the first tag of a stanza. */
struct stanza read_stanza(const char *data, size_t size);
/* Return whether something stands in a stanza after its first tag. An element is looked for as `<name`: text and
 * attributes have no `<`. */
bool has(const struct stanza *, const char *what);
/* The text of the first element of this name (`<name`), and of an attribute of it. */
struct text text_of(const struct stanza *, const char *element);
struct text attribute_of(const struct stanza *, const char *element, const char *attribute);

bool equals(struct text, const char *);

#endif
