#include "engine/booking/scripts.h"

#include "engine/base/mem.h"

void script_init(struct script *s, const char *name, const char *const parts[SCRIPT_PARTS_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < SCRIPT_PARTS_MAX && parts[i]; i++) {
        size_t part = strlen(parts[i]);

        s->text = mem_resize(s->text, len + part + 1);
        memcpy(s->text + len, parts[i], part + 1);
        len += part;
    }
    s->kv.name = name;
    s->kv.source = s->text;
    kv_script_init(&s->kv);
}

void script_free(struct script *s)
{
    mem_free(s->text);
    s->text = NULL;
}
