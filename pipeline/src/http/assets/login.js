// The page that the reader was going to goes with them to the issuer.
const link = document.getElementById("issuer");
if (link) link.search = window.location.search;
