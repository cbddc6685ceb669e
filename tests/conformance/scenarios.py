"""The names of the scenarios in scenarios.mjs, one test each for every client."""

CALM = (
    "connects",
    "confirms",
    "rejects",
    "unknown_channel",
    "failing_channel",
    "performs",
    "sends_without_an_action",
    "chats",
    "hears_from_a_route",
    "unsubscribes",
    "leaves",
    "vanishes",
    "unauthorized",
    "knows_the_session",
    "sent_away_for_good",
    "sent_away_for_now",
    "one_megabyte",
    "one_megabyte_for_all",
    "unicode",
    "many_subscriptions",
    "thousand_messages_to_the_server",
    "thousand_messages_to_the_client",
    "thousand_messages_between_two",
)
# These send away whoever is connected.
ALONE = ("server_restarts", "server_crashes", "cable_restarts")
