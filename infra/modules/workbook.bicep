// The pipeline's figures on one page. workbook.json is what the portal's editor shows under "Advanced".
param location string
param tags object
param appInsightsName string

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name has to be a GUID.
  name: guid(appInsights.id, 'keywire')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Keywire'
    category: 'workbook'
    version: '1.0'
    sourceId: appInsights.id
    serializedData: loadTextContent('../workbook.json')
  }
}
