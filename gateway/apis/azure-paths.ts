// Azure's paths of OpenAI's API: `/openai/v1/...`, and the older `/openai/...?api-version=`, are those of `/v1`. Paths with the name
// of a deployment, which is a model here, are routes of their own.

/** The path that serves a request. */
export function azurePath(path: string): string {
  return path.replace(/^\/openai\/(?:v1\/)?(?!deployments\/)/, '/v1/');
}
