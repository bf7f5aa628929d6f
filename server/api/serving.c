/* Which nodes should serve a credential, and which say that they do. */

#include "server/api/api_priv.h"

#include "server/publish/publish.h"

/* Everybody with access, in the order of their names; nobody when it is served by none of them. */
static void
find_readers(
    const struct api *a, const struct index_record *credential, struct access_list *readers)
{
	const struct index_record *active = index_active(a->p.index, credential);
	struct access_lookup lookup = index_access_lookup(a->p.index);

	if (active != NULL && !credential->credential->archived &&
	    generation_serves(active->generation->profile, credential->credential))
		access_expand(&lookup, active->access, NULL, readers);
}

void
serving_count(const struct api *a, const struct index_record *credential, struct serving *out)
{
	const struct index_record *active = index_active(a->p.index, credential);
	struct access_list readers = {NULL, 0, 0};

	*out = (struct serving){0, 0};
	find_readers(a, credential, &readers);
	for (size_t i = 0; i < readers.count; i++) {
		const struct receipt *receipt;

		/* Managers and the recovery key can open it, and serve nothing. */
		if (readers.items[i].node.role != ROLE_REPLICA)
			continue;
		out->expected++;
		receipt = publish_receipt(a->p.publish, &readers.items[i].node.id, &credential->id);
		if (receipt != NULL && receipt->has_generation &&
		    id_equal(&receipt->generation, &active->id))
			out->served++;
	}
	access_list_fini(&readers);
}

struct put_receipts {
	const struct api *api;
	struct json_writer *w;
	const struct access_list *readers; /* told already */
};

static void
put_other(void *arg, const struct id *node, const struct receipt *receipt)
{
	const struct put_receipts *p = arg;
	char name[LIMIT_NAME + 2];

	for (size_t i = 0; i < p->readers->count; i++)
		if (id_equal(&p->readers->items[i].node.id, node))
			return;
	json_put_object(p->w, NULL);
	json_put_text(p->w, "node", index_access_name(p->api->p.index, node, name));
	api_put_receipt(p->api, p->w, receipt);
	json_put_end(p->w);
}

void
api_put_serving(const struct api *a, struct json_writer *w, const struct index_record *credential)
{
	struct access_list readers = {NULL, 0, 0};
	struct put_receipts others = {a, w, &readers};

	find_readers(a, credential, &readers);
	for (size_t i = 0; i < readers.count; i++) {
		const struct receipt *receipt;

		if (readers.items[i].node.role != ROLE_REPLICA)
			continue;
		receipt = publish_receipt(a->p.publish, &readers.items[i].node.id, &credential->id);
		json_put_object(w, NULL);
		json_put_text(w, "node", readers.items[i].node.name);
		if (receipt != NULL)
			api_put_receipt(a, w, receipt);
		else
			json_put_null(w, "generation");
		json_put_end(w);
	}
	publish_receipts(a->p.publish, &credential->id, put_other, &others);
	access_list_fini(&readers);
}
