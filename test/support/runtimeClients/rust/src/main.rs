//! A function on AWS's own client for Rust: answers with what it was given, throws, or, as the handler `stream`, streams.
use lambda_runtime::{
    run, service_fn,
    streaming::{channel, Body, Response},
    Error, LambdaEvent,
};
use serde_json::{json, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var("_HANDLER").as_deref() == Ok("stream") {
        return run(service_fn(stream)).await;
    }
    run(service_fn(answer)).await
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if let Some(text) = event.payload.get("throw").and_then(Value::as_str) {
        return Err(text.into());
    }
    let LambdaEvent { payload, context } = event;
    Ok(json!({
        "event": payload,
        "requestId": context.request_id,
        "arn": context.invoked_function_arn,
        "hasDeadline": context.deadline > 0,
        "functionName": context.env_config.function_name,
    }))
}

async fn stream(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let pieces = event.payload.get("stream").and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        for piece in pieces {
            let text = piece.as_str().unwrap_or_default().to_string();
            if sender.send_data(text.into()).await.is_err() {
                return;
            }
        }
    });
    Ok(Response::from(body))
}
