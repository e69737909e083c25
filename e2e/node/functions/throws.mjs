// A function with a mistake.
export async function handler() {
  throw new TypeError('cannot read properties of undefined');
}
