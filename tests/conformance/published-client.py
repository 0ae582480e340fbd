"""An agent's client that others published, as it is, against a server.

The AcpClient of elizaos-plugin-acp makes a session, changes it, pays, reads it, and gives another one up. Reads its task as JSON from
standard input, and prints what came of it as JSON.
"""

import asyncio
import json
import sys
import uuid

from elizaos_plugin_acp import AcpApiError, AcpClient
from elizaos_plugin_acp.types import (
    AcpClientConfig,
    Address,
    Buyer,
    CancelCheckoutSessionRequest,
    Capabilities,
    CompleteCheckoutSessionRequest,
    CreateCheckoutSessionRequest,
    FulfillmentDetails,
    IntentTrace,
    InterventionCapabilities,
    Item,
    PaymentCredential,
    PaymentData,
    PaymentInstrument,
    SelectedFulfillmentOption,
    UpdateCheckoutSessionRequest,
)


def plain(session):
    """A session of the client's own kind, for whoever started us."""
    return json.loads(session.model_dump_json())


async def buy(task):
    client = AcpClient(AcpClientConfig(base_url=task["url"], api_key=task["key"]))
    steps = {}
    try:
        wanted = CreateCheckoutSessionRequest(
            line_items=[Item(id=task["product"], quantity=2)],
            currency="usd",
            buyer=Buyer(email="ada@example.com", first_name="Ada", last_name="Byron"),
            capabilities=Capabilities(interventions=InterventionCapabilities(supported=["3ds"])),
        )
        key = str(uuid.uuid4())
        session = await client.create_checkout_session(wanted, key)
        steps["created"] = plain(session)
        steps["created_again"] = plain(await client.create_checkout_session(wanted, key))

        address = Address(**task["address"])
        session = await client.update_checkout_session(session.id, UpdateCheckoutSessionRequest(fulfillment_details=FulfillmentDetails(address=address)))
        steps["addressed"] = plain(session)
        dearest = max(session.fulfillment_options, key=lambda option: next(total.amount for total in option.totals if total.type.value in ("total", "fulfillment")))
        chosen = SelectedFulfillmentOption(type=dearest.type, option_id=dearest.id, item_ids=[line.id for line in session.line_items])
        session = await client.update_checkout_session(session.id, UpdateCheckoutSessionRequest(selected_fulfillment_options=[chosen]))
        steps["chosen"] = plain(session)

        handler = session.capabilities.payment.handlers[0].id
        payment = PaymentData(handler_id=handler, instrument=PaymentInstrument(type="card", credential=PaymentCredential(type="spt", token=task["token"])))
        steps["completed"] = plain(await client.complete_checkout_session(session.id, CompleteCheckoutSessionRequest(payment_data=payment), str(uuid.uuid4())))
        steps["read"] = plain(await client.get_checkout_session(session.id))

        other = await client.create_checkout_session(wanted, str(uuid.uuid4()))
        trace = CancelCheckoutSessionRequest(intent_trace=IntentTrace(reason_code="comparison", trace_summary="Only looking."))
        steps["canceled"] = plain(await client.cancel_checkout_session(other.id, trace))
        try:
            await client.get_checkout_session("cs_does_not_exist")
        except AcpApiError as error:
            steps["refused"] = error.to_dict()
    finally:
        await client.close()
    return steps


task = json.load(sys.stdin)
json.dump(asyncio.run(buy(task)), sys.stdout)
