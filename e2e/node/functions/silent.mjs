// Returns without an answer; with the key "forever" it never returns, and looks busy.
export async function handler(event) {
  if (event.userRequest.url.endsWith('/forever')) await new Promise(() => setInterval(() => {}, 1000));
  return { statusCode: 200 };
}
