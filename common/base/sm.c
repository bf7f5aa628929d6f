#include "common/base/sm.h"

void
sm_init(struct sm *m, const struct sm_state *table, unsigned count, unsigned start)
{
	CHECK(count <= 64 && start < count);
	m->table = table;
	m->count = count;
	m->state = start;
}

bool
sm_may(const struct sm *m, unsigned to)
{
	return to < m->count && (m->table[m->state].next & SM_TO(to)) != 0;
}

void
sm_move(struct sm *m, unsigned to)
{
	CHECK(sm_may(m, to));
	m->state = to;
}

const char *
sm_name(const struct sm *m)
{
	return m->table[m->state].name;
}
