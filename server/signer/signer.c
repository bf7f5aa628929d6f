#include "server/signer/signer.h"

int
signer_submit(struct signer *s, struct signer_call *call, struct span request, struct err *err)
{
	return s->ops->submit(s, call, request, err);
}
