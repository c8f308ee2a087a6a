// Fields that name another resource: a list to choose from, or its id where there are too many for a list.
const MOST = 250;

/** A field for `openForm`. `path` lists the resources, `name` is what people call one, `none` the choice of no one. */
export async function referenceField(api, { pointer, label, path, sort, name, none, hint = "" }) {
  const { data, meta } = await api.get(`${path}?page[size]=${MOST}&sort=${sort}`);
  if (meta.total_results > MOST) return { pointer, label, kind: "id", hint: `${hint} An id: there are too many for a list.`.trim() };
  return { pointer, label, kind: "choice", hint, choices: [["", none], ...data.map((one) => [one.id, name(one)])] };
}
