-- Posts an event of as many bytes as the first argument says, 1 KiB by default.
function init(args)
  local bytes = tonumber(args[1] or 1024)
  wrk.method = "POST"
  wrk.body = '{"text":"' .. string.rep("x", bytes - 11) .. '"}'
  wrk.headers["Content-Type"] = "application/json"
  if args[2] then
    local file = io.open(args[2], "rb")
    wrk.body = file:read("*a")
    file:close()
  end
end
