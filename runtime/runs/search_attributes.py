"""Search attributes of runs, by which people find them: made on first use, where we may."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from grammar.messages.names import BUNDLE_ATTRIBUTE, NAME_ATTRIBUTE, STATUS_ATTRIBUTE
from grammar.messages.run_bundle import Bundle
from runtime import flow_names

NAMES = (STATUS_ATTRIBUTE, NAME_ATTRIBUTE, BUNDLE_ATTRIBUTE)


async def of_run(client: Client, bundle: Bundle) -> TypedSearchAttributes:
    """Return the search attributes of a new run; none where the namespace lacks them, and may not be given them."""
    if not await _ensure(client):
        return TypedSearchAttributes.empty
    values = dict(zip(NAMES, ("running", flow_names.shown(bundle), bundle.hash), strict=True))
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )


async def _ensure(client: Client) -> bool:
    """Add those that the namespace lacks. Returns whether it has them all."""
    service = client.operator_service
    try:
        request = ListSearchAttributesRequest(namespace=client.namespace)
        missing = set(NAMES) - set((await service.list_search_attributes(request)).custom_attributes)
        if missing:
            kinds = dict.fromkeys(missing, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
            await service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=kinds)
            )
    except RPCError as error:  # a hosted server has them made elsewhere; somebody else may be making them now
        return error.status == RPCStatusCode.ALREADY_EXISTS
    return True
