import json
import os


def lambda_handler(event, context):
    claims = event["requestContext"].get("authorizer", {}).get("claims", {})
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(
            {"user": claims.get("cognito:username"), "resource": event["resource"], "level": os.environ["LOG_LEVEL"]}
        ),
    }
