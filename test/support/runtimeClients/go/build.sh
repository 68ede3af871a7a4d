# Sourced by ../build.sh. Linked statically, as AWS's documentation has it for provided.al2023.
cd "$to/source" || exit 1
CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags "-s -w" -o "$to/made/bootstrap" .
