"""A function on AWS's own client for Python: answers with what it was given, or raises."""
import os


def handler(event, context):
    print("seen by Python")
    if "throw" in event:
        raise ValueError(event["throw"])
    return {
        "event": event,
        "requestId": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "hasDeadline": context.get_remaining_time_in_millis() > 0,
        "functionName": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
    }
