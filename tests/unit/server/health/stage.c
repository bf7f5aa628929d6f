#include "tests/unit/server/health/stage.h"

#include <stdlib.h>
#include <unistd.h>

const char *const web1[] = {"web1", NULL};

static const struct receipt *
get_receipt(void *arg, const struct id *node, const struct id *credential)
{
	struct stage *s = arg;

	(void)node;
	(void)credential;
	return s->has_receipt ? &s->receipt : NULL;
}

static bool
has_told(void *arg, const struct id *node)
{
	(void)node;
	return ((struct stage *)arg)->has_told;
}

static int
look_start(void *arg, const struct check_target *target, const char *name, check_done_cb *done,
    void *done_arg, struct check **out, struct err *err)
{
	struct stage *s = arg;
	struct look *l = &s->looks[s->look_count];

	if (s->refusal < 0)
		return err_set(err, s->refusal, "no more descriptors");
	assert_true(s->look_count < LOOKS_MAX);
	*l = (struct look){.target = *target, .done = done, .arg = done_arg, .open = true};
	snprintf(l->name, sizeof(l->name), "%s", name != NULL ? name : "");
	s->look_count++;
	*out = (struct check *)l;
	return 0;
}

static void
look_cancel(void *arg, struct check *look)
{
	struct look *l = (struct look *)look;

	(void)arg;
	assert_true(l->open);
	l->open = false;
}

static void
on_change(void *arg, const struct health_change *c)
{
	struct stage *s = arg;
	size_t len = strlen(s->told);

	snprintf(s->told + len, sizeof(s->told) - len, "%s %s %s;", c->credential->name,
	    health_condition_name(c->condition), health_grade_name(c->grade));
	assert_true(strstr(c->key, health_condition_name(c->condition)) == c->key);
}

static void
open_health(struct stage *s)
{
	s->health = health_new(&(struct health_params){
	    .runtime = &s->o.time.rt,
	    .index = s->o.index,
	    .commit = s->o.commit,
	    .flow = s->o.flow,
	    .receipt = get_receipt,
	    .has_told = has_told,
	    .looks = {look_start, look_cancel},
	    .host_roots = s->host_roots,
	    .arg = s,
	});
	health_listen(s->health, on_change, s);
}

static void
write_host_roots(struct stage *s)
{
	struct buf pem = BUF_INIT(LIMIT_PEM_FILE);
	int fd;

	/* What cannot be read keeps nobody from the rest. */
	buf_put_str(
	    &pem, "# Some text\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
	cert_put_pem(cert_der(s->ca.root), &pem);
	snprintf(s->host_roots, sizeof(s->host_roots), "/tmp/certherd-host-roots-XXXXXX");
	fd = mkstemp(s->host_roots);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pem.data, pem.len), pem.len);
	close(fd);
	buf_fini(&pem);
}

int
stage_setup(void **state)
{
	struct stage *s = mem_zalloc(sizeof(*s));

	office_init(&s->o, 1);
	/* Nobody renews anything here by itself. */
	sched_free(s->o.sched);
	s->o.sched = NULL;
	outside_init(&s->ca, virtual_wall_ms(&s->o.time.rt) / 1000);
	(void)office_add_node(&s->o, "web1");
	write_host_roots(s);
	open_health(s);
	*state = s;
	return 0;
}

int
stage_teardown(void **state)
{
	struct stage *s = *state;

	health_free(s->health);
	unlink(s->host_roots);
	outside_fini(&s->ca);
	office_fini(&s->o);
	mem_free(s);
	return 0;
}

void
stage_add(struct stage *s, const char *name)
{
	assert_int_equal(office_add_credential(&s->o, name, web1), 0);
}

void
stage_pass(struct stage *s, int64_t seconds)
{
	virtual_pass(&s->o.time, (uint64_t)seconds * 1000);
}

void
stage_sleep_days(struct stage *s, int64_t days)
{
	virtual_sleep(&s->o.time, (uint64_t)days * 86400 * 1000);
	stage_pass(s, 10);
}

void
stage_serve_active(struct stage *s, const char *name)
{
	s->has_told = s->has_receipt = true;
	s->receipt = (struct receipt){.credential = office_credential(&s->o, name)->id,
	    .has_generation = true,
	    .generation = office_active(&s->o, name)->id,
	    .error = ""};
	health_on_receipt(s->health, &s->o.members[0].id, &s->receipt.credential);
	stage_pass(s, 1);
}

enum health_grade
stage_grade(struct stage *s, const char *name, const char *code)
{
	struct health_report r;
	bool found = false;

	health_of(s->health, office_credential(&s->o, name), &r);
	for (size_t i = 0; i < r.count; i++)
		found = found || strcmp(r.reasons[i].code, code) == 0;
	if (code[0] != '\0' && !found)
		fail_msg("%s: %s, %s", name, health_grade_name(r.grade),
		    r.count > 0 ? r.reasons[0].code : "");
	return r.grade;
}
