// A function on AWS's own client for Go: answers with what it was given, throws, or streams.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type order struct {
	Throw string `json:"throw"`
	// Pieces of an answer that is streamed.
	Stream []string `json:"stream"`
	// What the stream fails with after its last piece.
	Fail string `json:"fail"`
}

func handle(ctx context.Context, event json.RawMessage) (any, error) {
	var asked order
	if err := json.Unmarshal(event, &asked); err != nil {
		return nil, err
	}
	if asked.Throw != "" {
		return nil, errors.New(asked.Throw)
	}
	if len(asked.Stream) > 0 {
		return stream(asked), nil
	}
	call, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"event":        event,
		"requestId":    call.AwsRequestID,
		"arn":          call.InvokedFunctionArn,
		"hasDeadline":  !deadline.IsZero(),
		"functionName": lambdacontext.FunctionName,
	}, nil
}

func stream(asked order) io.Reader {
	reader, writer := io.Pipe()
	go func() {
		for _, piece := range asked.Stream {
			if _, err := writer.Write([]byte(piece)); err != nil {
				return
			}
		}
		if asked.Fail != "" {
			writer.CloseWithError(errors.New(asked.Fail))
			return
		}
		writer.Close()
	}()
	return reader
}

func main() {
	lambda.Start(handle)
}
