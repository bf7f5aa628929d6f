#ifndef SERVER_API_EXPORT_H
#define SERVER_API_EXPORT_H

/* The member "export" of bodies that make a key, and what replies say of it. */

#include "server/api/api_priv.h"

#define EXPORT_FIELDS 3
struct export_body {
	char *generation, *credential, *password;
	bool given;
};
extern const struct json_field export_fields[EXPORT_FIELDS];
/* As a row of a table of fields; the struct has a member `export`. */
#define EXPORT_FIELD(type)                                                                         \
	{                                                                                          \
		.name = "export", .kind = JSON_MEMBERS, .offset = offsetof(type, export),          \
		.fields = export_fields, .field_count = EXPORT_FIELDS,                             \
		.given = offsetof(type, export.given)                                              \
	}

/* Decoded; owned. */
struct export_wanted {
	struct flow_export export;
	struct buf *bytes;
};
NODISCARD int export_decode(
    const struct export_body *b, struct export_wanted *out, struct err *err);
void export_wanted_fini(struct export_wanted *w);
/* NULL: none was asked for. */
const struct flow_export *export_of(const struct export_wanted *w);

/* Members export_key, exported_at and export_refusals of a credential. */
void export_put(const struct api *a, struct json_writer *w, const struct index_record *c);

#endif
