// A link to log in carries its token behind #, which browsers send to nobody. It is taken out of the address at once.
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("by-link");
  form.elements.token.value = token;
  form.submit();
}
