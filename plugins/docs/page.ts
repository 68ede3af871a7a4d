/** Swagger UI's page and the two files of Irori's own in it. Nothing is inline, so that the policy can forbid it. */

/** `root` is what clients see in front of every path. */
export const page = (root: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Irori</title>
<link rel="icon" type="image/png" sizes="32x32" href="${root}/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="${root}/docs/assets/swagger-ui.css">
<link rel="stylesheet" href="${root}/docs/assets/irori.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The documents themselves are <a href="${root}/docs/gateway.json">plain files</a>.</noscript>
<script src="${root}/docs/assets/swagger-ui-bundle.js"></script>
<script src="${root}/docs/assets/swagger-ui-standalone-preset.js"></script>
<script src="${root}/docs/assets/irori.js"></script>
</body>
</html>
`

/** `validatorUrl` is set because its default is a service on the internet. */
export const startScript = (
  documents: ReadonlyArray<{ readonly name: string; readonly title: string }>,
  root: string
) => `
window.ui = SwaggerUIBundle({
  urls: ${JSON.stringify(documents.map(({ name, title }) => ({ url: `${root}/docs/${name}.json`, name: title })))},
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null
})
`

export const style = `
body { margin: 0; background: #fafafa; }
.swagger-ui .topbar { background: #2b2320; border-bottom: 4px solid #d9622b; }
.swagger-ui .topbar-wrapper .link { visibility: hidden; position: relative; width: 12rem; }
.swagger-ui .topbar-wrapper .link::after {
  content: "Irori"; visibility: visible; position: absolute; left: 0;
  font: 600 1.6rem/1 system-ui, sans-serif; color: #fff; letter-spacing: .04em;
}
.swagger-ui .topbar .download-url-wrapper .select-label select { border-color: #d9622b; }
`
