// Returns without an answer; with the key "forever" it never returns.
export async function handler(event) {
  if (event.userRequest.url.endsWith('/forever')) await new Promise(() => {});
  return { statusCode: 200 };
}
