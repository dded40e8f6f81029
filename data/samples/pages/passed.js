// Optional, for step 4.1: call passed("stored", message) where a message passes, and the trace shows that place as "mark stored".
function passed(place, message) {
  const text = JSON.stringify(message);
  if (text.includes("wsbook-")) performance.mark(`wsbook:${place} ${text}`);
}
