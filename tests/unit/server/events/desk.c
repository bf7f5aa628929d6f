#include "tests/unit/server/events/desk.h"

#include "common/json/json.h"

const char *const nobody[] = {NULL};

static void
on_told(void *arg, struct span document)
{
	struct desk *d = arg;
	AUTO(json_freep)
	struct json *e = NULL;
	size_t n = strlen(d->told);

	assert_int_equal(json_parse(document, sizeof(d->last), &e, NULL), 0);
	assert_true((uint64_t)json_number(e, "number") > d->number);
	d->number = (uint64_t)json_number(e, "number");
	snprintf(d->told + n, sizeof(d->told) - n, "%s %s; ", json_text(e, "event"),
	    json_text(json_member(e, "object"), "name"));
	snprintf(d->last, sizeof(d->last), "%.*s", (int)document.len, (const char *)document.data);
}

static struct commit_beside
begin(void *arg)
{
	struct desk *d = arg;
	const struct events_params p = {
	    .runtime = &d->o.time.rt,
	    .store = d->o.store,
	    .index = d->o.index,
	    .domain_name = "test.example",
	    .self = d->o.world.manager.id,
	    .told = on_told,
	    .arg = d,
	};

	assert_int_equal(events_new(&p, &d->events, &d->o.err), 0);
	return events_beside(d->events);
}

static void
on_closed(void *arg)
{
	((struct desk *)arg)->closed = true;
}

static bool
is_closed(void *arg)
{
	return ((struct desk *)arg)->closed;
}

static void
end(void *arg)
{
	struct desk *d = arg;

	/* The office was opened without them. */
	if (d->events == NULL)
		return;
	d->closed = false;
	events_close(d->events, on_closed, d);
	assert_true(virtual_until(&d->o.time, is_closed, d, 60000));
}

int
desk_setup(void **state)
{
	struct desk *d = mem_zalloc(sizeof(*d));

	office_init(&d->o, 1);
	d->o.beside = begin;
	d->o.beside_end = end;
	d->o.beside_arg = d;
	office_restart(&d->o);
	*state = d;
	return 0;
}

int
desk_teardown(void **state)
{
	struct desk *d = *state;

	office_fini(&d->o);
	mem_free(d);
	return 0;
}

/* --- in place of those that it asks ----------------------------------------------------------- */

bool
publish_follower(const struct publish *p, const struct id *node, struct publish_follower *out)
{
	const struct desk *d = (const struct desk *)(const void *)p;

	(void)node;
	*out = d->follower;
	return true;
}

const struct receipt *
publish_receipt(const struct publish *p, const struct id *node, const struct id *credential)
{
	const struct desk *d = (const struct desk *)(const void *)p;

	(void)node;
	(void)credential;
	return &d->receipt;
}

const struct check_result *
health_found(const struct health *h, const struct id *credential, const char *address)
{
	const struct desk *d = (const struct desk *)(const void *)h;

	(void)credential;
	(void)address;
	return &d->found;
}
