#define _GNU_SOURCE
#include "xmpp_stream.h"

#include <string.h>

#define CDATA "<![CDATA["

/* Return what follows the tag (or CDATA section) that begins at `at`; NULL if it is not all there. */
static const char *after_tag(const char *at, const char *end)
{
    size_t known = (size_t)(end - at) < sizeof CDATA - 1 ? (size_t)(end - at) : sizeof CDATA - 1;
    if (memcmp(at, CDATA, known) == 0) {
        const char *last = memmem(at, (size_t)(end - at), "]]>", 3);
        return known == sizeof CDATA - 1 && last ? last + 3 : NULL;
    }
    char quote = 0;
    for (; at < end; at++) {
        if (quote)
            quote = *at == quote ? 0 : quote;
        else if (*at == '\'' || *at == '"')
            quote = *at;
        else if (*at == '>')
            return at + 1;
    }
    return NULL;
}

bool next_stanza(struct splitter *splitter, const char *data, size_t size, size_t *stanza_size)
{
    const char *end = data + size, *tag, *after;
    for (; (tag = memchr(data + splitter->at, '<', size - splitter->at)) != NULL; splitter->at = (size_t)(after - data)) {
        splitter->at = (size_t)(tag - data);
        after = after_tag(tag, end);
        if (after == NULL)
            return false;
        bool closes = tag[1] == '/', empty = after[-2] == '/';
        if (tag[1] == '?' || tag[1] == '!')
            continue;
        if (closes)
            splitter->depth--;
        else if (!empty && splitter->depth++ > 0)
            continue;
        if (splitter->depth > 1)
            continue;
        *stanza_size = (size_t)(after - data);
        splitter->at = 0;
        return true;
    }
    splitter->at = size;
    return false;
}

static bool ends_name(char one) { return one == ' ' || one == '/' || one == '>' || one == '\n' || one == '\t'; }

bool equals(struct text text, const char *other)
{
    return text.at != NULL && text.size == strlen(other) && memcmp(text.at, other, text.size) == 0;
}

/* Read the attribute that begins at or after `*at`, which lies in a tag; return false if the tag ends first. */
static bool next_attribute(const char **at, const char *end, struct text *name, struct text *value)
{
    const char *here = *at;
    while (here < end && ends_name(*here) && *here != '>')
        here++;
    const char *equal = here < end && *here != '>' ? memchr(here, '=', (size_t)(end - here)) : NULL;
    const char *last = equal && end - equal > 2 ? memchr(equal + 2, equal[1], (size_t)(end - equal - 2)) : NULL;
    if (last == NULL)
        return false;
    *name = (struct text){here, (size_t)(equal - here)};
    *value = (struct text){equal + 2, (size_t)(last - equal - 2)};
    *at = last + 1;
    return true;
}

struct stanza read_stanza(const char *data, size_t size)
{
    struct stanza stanza = {.whole = {data, size}};
    const char *at = memchr(data, '<', size), *end = data + size;
    while (at && at + 1 < end && (at[1] == '?' || at[1] == '!')) { /* the declaration of XML before a stream's head */
        const char *after = after_tag(at, end);
        at = after ? memchr(after, '<', (size_t)(end - after)) : NULL;
    }
    if (at == NULL)
        return stanza;
    stanza.name.at = ++at;
    if (at < end && *at == '/')
        at++;
    while (at < end && !ends_name(*at))
        at++;
    stanza.name.size = (size_t)(at - stanza.name.at);
    struct text name, value;
    while (next_attribute(&at, end, &name, &value)) {
        if (equals(name, "from"))
            stanza.from = value;
        else if (equals(name, "id"))
            stanza.id = value;
        else if (equals(name, "type"))
            stanza.type = value;
    }
    return stanza;
}

/* Return what follows an element's name in its tag; NULL if there is no such element. */
static const char *after_name(const struct stanza *stanza, const char *element)
{
    size_t size = strlen(element);
    const char *at = stanza->name.at, *end = stanza->whole.at + stanza->whole.size;
    while (at && (at = memmem(at, (size_t)(end - at), element, size)) != NULL) {
        at += size;
        if (at < end && ends_name(*at))
            return at;
    }
    return NULL;
}

bool has(const struct stanza *stanza, const char *what)
{
    const char *end = stanza->whole.at + stanza->whole.size;
    return stanza->name.at && memmem(stanza->name.at, (size_t)(end - stanza->name.at), what, strlen(what)) != NULL;
}

struct text text_of(const struct stanza *stanza, const char *element)
{
    const char *at = after_name(stanza, element), *end = stanza->whole.at + stanza->whole.size;
    if (at == NULL)
        return (struct text){NULL, 0};
    at = after_tag(at, end);
    if (at == NULL || at[-2] == '/')
        return (struct text){NULL, 0};
    const char *close = memchr(at, '<', (size_t)(end - at));
    return close ? (struct text){at, (size_t)(close - at)} : (struct text){NULL, 0};
}

struct text attribute_of(const struct stanza *stanza, const char *element, const char *attribute)
{
    const char *at = after_name(stanza, element), *end = stanza->whole.at + stanza->whole.size;
    struct text name, value;
    while (at && next_attribute(&at, end, &name, &value))
        if (equals(name, attribute))
            return value;
    return (struct text){NULL, 0};
}
