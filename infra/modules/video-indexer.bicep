// A new Video Indexer account, for whoever has none. An existing one is the usual case (videoIndexerResourceId).
param name string
param location string
param tags object
param storageAccountName string

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

// Its identity exists with it; the role on the storage (modules/roles.bicep) comes after, as in Microsoft's own samples.
resource account 'Microsoft.VideoIndexer/accounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    storageServices: {
      resourceId: storage.id
    }
  }
}
