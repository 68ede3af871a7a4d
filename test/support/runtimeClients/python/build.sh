# Sourced by ../build.sh. The package is compiled for the Python that installs it, so the bootstrap names that one.
python3 -m pip install --quiet --no-compile --target "$to/made" awslambdaric==4.2.2 || exit 1
cp "$to/source/app.py" "$to/made/"
cat >"$to/made/bootstrap" <<BOOTSTRAP
#!/bin/sh
export PYTHONPATH="\$LAMBDA_TASK_ROOT" PYTHONDONTWRITEBYTECODE=1
exec $(python3 -c "import sys; print(sys.executable)") -m awslambdaric "\$_HANDLER"
BOOTSTRAP
chmod +x "$to/made/bootstrap"
