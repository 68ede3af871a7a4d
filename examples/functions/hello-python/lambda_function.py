"""Greets whoever the event names."""


def lambda_handler(event, context):
    name = event.get("name", "world")
    print(f"greeting {name}")
    return {"message": f"Hello, {name}!", "requestId": context.aws_request_id}
